"""The files of `man/` and `completions/`, made from the commands themselves."""
