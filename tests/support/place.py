"""A folder to run ``scaling`` commands in, in this process, on a real corpus."""

from typer.testing import CliRunner

from scaling.cli.app import app
from scaling.errors import ScalingError
from scaling.meters.host import HostEnergy
from scaling.provenance import Reading
from scaling.store import load

SWEEP = """\
schema: 1
name: demo
data: {{path: corpus.txt, context: 32, validation_tokens: 2k}}
model: {{family: gpt, n_layer: 1, head_dim: 4}}
train: {{batch_tokens: 128}}
trials:
  - ladder: {{sizes: [{sizes}], horizons: [{horizons}], seeds: [0]}}
"""


class Meter:
    def start(self):
        pass

    def stop(self):
        missing = Reading.missing("a test")
        return HostEnergy(energy_cpu_j=missing, energy_ram_j=missing, seconds=1.0, tool="t", mode=None, detail="")


class Place:
    """A folder to run sweeps in."""

    def __init__(self, path):
        self.path = path
        self.root = path / "runs" / "demo"

    def write(self, widths=(8, 12), horizons="1k, 2k"):
        sizes = ", ".join(f"{{d_model: {w}}}" for w in widths)
        (self.path / "demo.yaml").write_text(SWEEP.format(sizes=sizes, horizons=horizons))

    def run(self, *options):
        return self.call("run", "demo.yaml", "--no-report", *options)

    def call(self, *words):
        """Run the command line as ``main`` does: (exit code, everything printed)."""
        result = CliRunner().invoke(app, words)
        if isinstance(result.exception, ScalingError):
            return result.exception.exit_code, result.output + result.exception.render()
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    def states(self):
        trials = load(self.root).trials()
        return dict(zip(trials["label"], trials["state"], strict=True))

    def attempts(self):
        trials = load(self.root).trials()
        return dict(zip(trials["label"], trials["attempts"].astype(int), strict=True))
