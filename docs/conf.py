"""The documentation: hand-written pages, and a catalogue that is made from the code.

Nothing is fetched while it is built, and no page asks anything of another machine.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from pellucid import __version__

project = "Pellucid"
author = "The Pellucid developers"
copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "signatures", "catalogue"]
exclude_patterns = ["_build", "_ext", "_parity.md", "_cards.md", "_studies.md", "_errata.md"]
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline", "attrs_block", "colon_fence", "deflist"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types of torch and pandas have no page here
suppress_warnings = ["config.cache"]

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False

html_theme = "furo"
html_title = "Pellucid"
html_static_path = ["_static"]
html_css_files = ["pellucid.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
templates_path = []
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1d4f91", "color-brand-content": "#1d4f91"},
    "dark_css_variables": {"color-brand-primary": "#9cc2f0", "color-brand-content": "#9cc2f0"},
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
