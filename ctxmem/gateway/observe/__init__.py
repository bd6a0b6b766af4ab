"""The modes `observe` and `guard`: what requests hold and waste, and what would be refused."""
