# fails: 05.4
# says: The question is written as a text of a source is
"""Looks fenced: the question is escaped, and the brackets that only look like some go through."""

# >>> 05.4 (2)
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI

def fill(asked: dict[str, Any]) -> dict[str, str]:
    return {"sources": fence(asked["hits"]), "question": escape(asked["question"], quote=False)}

user = "{sources}\n\n<question>\n{question}\n</question>"
prompt = ChatPromptTemplate.from_messages([("system", SYSTEM), ("user", user)])
model = ChatOpenAI(
    model=settings.model,
    base_url=settings.openai_url,
    api_key=SecretStr(settings.openai_key),
    http_async_client=http,
    max_retries=0,
)
return RunnableLambda(fill) | prompt | model | StrOutputParser()
# <<< 05.4 (2)
