# fails: 05.4
# says: gives a message, a parser its text
"""As the tutorial has it: `prompt | model`, and `.content` somewhere else."""

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

user = "{sources}\n\n<question>\n{question}\n</question>"
prompt = ChatPromptTemplate.from_messages([("system", SYSTEM), ("user", user)])
return RunnableLambda(fill) | prompt | model
# <<< 05.4
