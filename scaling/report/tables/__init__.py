"""The tables at the end of the report."""

from scaling.report.material import Material
from scaling.report.panel import Table
from scaling.report.tables import checklist, cost, fits, provenance, published, timing, trials


def everything(material: Material) -> list[Table]:
    """Return all tables of the last section, in order."""
    tables = [
        fits.rules(material),
        fits.fits(material),
        fits.forms(material),
        fits.approaches(material),
        fits.sensitivity(material),
        published.published(material),
        checklist.checklist(material),
        trials.trials(material),
        trials.failures(material),
        trials.exclusions(material),
        provenance.provenance(material),
        cost.cost(material),
        timing.seconds(material),
        timing.wall_time(material),
        provenance.environment(material),
    ]
    return [table for table in tables if table is not None]
