# fails: 05.4
# says: An f-string around the context makes the pages part of the template
"""Looks right until a page has a brace in it."""

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

async def ask(asked: dict[str, Any]) -> str:
    filled = fill(asked)
    user = f"{filled['sources']}\n\n<question>\n{filled['question']}\n</question>"
    prompt = ChatPromptTemplate.from_messages([("system", SYSTEM), ("user", user)])
    return await (prompt | model | StrOutputParser()).ainvoke({})

return RunnableLambda(ask)
# <<< 05.4
