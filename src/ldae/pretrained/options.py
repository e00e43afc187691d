"""What the commands for single scans take alike."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

ModelsFolder = Annotated[Path, Parameter(alias="--model")]
OutputFolder = Annotated[Path, Parameter(alias="-o")]
HERE = Path()
