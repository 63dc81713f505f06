"""Records a terminal while real commands run, and draws it as an animated SVG."""
