# fails: 05.4
# says: ChatOpenAI takes it as http_async_client
"""The chain of the documentation: a second pool of connections, and two retries that nobody counts."""

# >>> 05.4 (2)
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI

model = ChatOpenAI(model=settings.model, base_url=settings.openai_url, api_key=SecretStr(settings.openai_key))

def fill(asked: dict[str, Any]) -> dict[str, str]:
    question = escape(asked["question"].translate(DISGUISES), quote=False)
    return {"sources": fence(asked["hits"]), "question": question}

user = "{sources}\n\n<question>\n{question}\n</question>"
prompt = ChatPromptTemplate.from_messages([("system", SYSTEM), ("user", user)])
return RunnableLambda(fill) | prompt | model | StrOutputParser()
# <<< 05.4
