"""Built-in tasks. Each file imports public names only, as a third party's would."""
