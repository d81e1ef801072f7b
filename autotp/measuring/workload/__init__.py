"""How a model is driven: one module for each workload, behind one interface."""
