"""Figures that a notebook displays; imported when something is drawn, for it needs matplotlib."""

from io import BytesIO

from matplotlib.figure import Figure as PlainFigure


class Figure(PlainFigure):
    """A figure of matplotlib's object-oriented part, which shows itself without pyplot."""

    def _repr_png_(self) -> bytes:
        """The picture."""
        buffer = BytesIO()
        self.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()
