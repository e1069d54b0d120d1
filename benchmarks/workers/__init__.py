"""What runs in the fresh processes; each function does one case once and returns its figures."""
