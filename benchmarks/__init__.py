"""Speed, memory and size of the node, and of the simplest things it could be compared with."""
