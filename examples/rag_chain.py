"""A LangChain RAG chain before and after: the same retriever, an eighth of the prompt."""

import json
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from ctxmem.adapters.langchain import pack_documents, token_counter

case = json.loads(Path(__file__).with_name("contract_review.json").read_text("utf-8"))
hits = [Document(hit["text"], metadata={"source": hit["source"]}) for hit in case["chunks"]]

retriever = RunnableLambda(lambda question: hits)  # six retrievers, the same clauses
model = FakeListChatModel(responses=["Thirty days, since the second amendment."])
prompt = ChatPromptTemplate.from_template("{context}\n\nQuestion: {question}")


def joined(given: dict[str, Any]) -> str:
    """Return all documents as one text."""
    return "\n\n".join(document.page_content for document in given["documents"])


def chain(context: Any) -> Any:
    """Retrieve, put the context into the prompt, ask."""
    found = {"documents": retriever, "question": RunnablePassthrough()}
    return found | RunnablePassthrough.assign(context=context) | prompt


before = chain(RunnableLambda(joined))
after = chain(pack_documents(budget=400, as_text=True))  # the only change

for name, built in (("before", before), ("after", after)):
    messages = built.invoke(case["query"]).to_messages()
    print(f"{name}: {token_counter(messages):,} tokens")
print((after | model).invoke(case["query"]).content)
