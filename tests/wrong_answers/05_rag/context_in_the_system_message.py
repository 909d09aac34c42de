# fails: 05.4
# says: the system's message is not SYSTEM
"""The tutorial's prompt: pages stand where your own instructions stand."""

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
    question = escape(asked["question"].translate(DISGUISES), quote=False)
    return {"sources": fence(asked["hits"]), "question": question}

prompt = ChatPromptTemplate.from_messages(
    [("system", SYSTEM + "\n\n{sources}"), ("user", "<question>\n{question}\n</question>")]
)
return RunnableLambda(fill) | prompt | model | StrOutputParser()
# <<< 05.4
