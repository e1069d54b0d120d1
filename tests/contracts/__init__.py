"""Contracts that every implementation of a surface passes."""
