"""The report as a page to look at and to play with.

`grids`: a fitted law and its bands at points from which a page finds them in between; `panel`: all
that the page knows; `page`: the report with panel and picture. `panel.js` and `panel.css` are the
page's side of it.
"""
