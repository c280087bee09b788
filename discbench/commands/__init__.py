"""The commands, one room a family; `discbench.cli` gathers them."""
