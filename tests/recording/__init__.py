"""A recording of a terminal: commands that are really run, drawn as an SVG that moves by itself."""
