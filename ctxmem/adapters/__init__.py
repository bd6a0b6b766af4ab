"""ctxmem where people already work: adapters translate in and out, and decide nothing.

`ctxmem.adapters.langchain` and `ctxmem.adapters.llama_index`; each needs its framework, which
`import ctxmem` never loads.
"""
