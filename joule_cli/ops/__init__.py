"""Work made of several calls of a node: it prints nothing and asks nothing."""
