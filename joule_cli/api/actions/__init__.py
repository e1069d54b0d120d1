"""The contract of a node, one abstract class for each section of the API reference."""
