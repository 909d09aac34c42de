# fails: 05.4
# says: A text can hold the closing mark too
"""Looks right because the pages are fenced; the caller writes a source into the question."""

# >>> 05.4 (2)
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    model=settings.model,
    base_url=settings.openai_url,
    api_key=SecretStr(settings.openai_key),
    http_async_client=http,
    max_retries=0,
)

def fill(asked: dict[str, Any]) -> dict[str, str]:
    return {"sources": fence(asked["hits"]), "question": asked["question"]}

user = "{sources}\n\n<question>\n{question}\n</question>"
prompt = ChatPromptTemplate.from_messages([("system", SYSTEM), ("user", user)])
return RunnableLambda(fill) | prompt | model | StrOutputParser()
# <<< 05.4
