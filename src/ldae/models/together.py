"""How many arrays go through a network together: one by one only where they are large.

On a CPU a small volume alone takes several times as long as in company: torch has a fast
convolution in three dimensions for large inputs and for batches, and a slow one for the rest.
"""

import math

ELEMENTS = 2**21  # a volume of the paper's has a few more


def together(shape: tuple[int, ...]) -> int:
    """How many arrays of `shape`, batch axis left out, a network sees at once to bound memory."""
    return max(1, ELEMENTS // math.prod(shape))
