"""Files and commands of the kind that people post when an import went wrong."""
