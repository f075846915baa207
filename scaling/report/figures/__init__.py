"""One module per group of figures; each figure is a data half (pure) and a drawing half (plotly)."""
