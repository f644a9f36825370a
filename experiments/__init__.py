"""One module per table or figure: runs it, writes JSON, Markdown and a plot into results/."""
