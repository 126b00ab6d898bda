"""What the tests flag. Letters name the source: A AutoAttack, I Pintor et al. 2022, C Carlini et al. 2019, O our own.

Shares are of all images. Ours are set between honest networks and planted masks, with the room that
`benchmarks/audit_calibration.py` measures and judges on networks that did not set them.
"""

WRONG_AT_ZERO = 0.0  # O, 1: images that the attacks' own code classifies otherwise than a plain pass
DRAWN = 1e-4  # A, 2: distance of normalised logits in five passes
ROW_SUM = 1e-5  # A, 3: distance of the sum of outputs from 1
NO_GRADIENT = 0.01  # O, 4: cross-entropy; A, 4, for the logits ratio: any
GRADIENT_ERROR = 0.05  # O, 5: relative to differences
SCALE = 0.15  # O, 6: of honest networks of one or two epochs scaled logits break up to 12 % more
LOSS = 0.2  # O, 7: of the same another loss breaks up to 16 % more; after four to eight 12 %, after twenty 3 %
REACH = 2.0  # O, 8: radii that all steps together go
ONE_STEP = 0.03  # O, 9
STEPS = 0.05  # O, 10
MOVING = 0.22  # O, 10 (I: 0.05): share of its range by which the loss moves in the last quarter; 0.25 if steadily;
# of an honest network of four convolutions on MNIST 0.17
RESTARTS = 0.05  # O, 11: from five to ten starts
RISE = 0.0  # C, 12
HALF_RANGE = 0.0  # C, 12: share that withstands half the range
SQUARE = 0.01  # O, 13 (A: 0.002)
TRANSFER = 0.01  # O, 14
NOISE = 0.0  # C, 15
ROUGH = 0.1  # I, 16: relative change of the loss nearby
SILENT = 0.05  # O, 17
SHORTEST = 0.06  # O, 18: of that network 0.03
LINEAR = 3.0  # O, 19: factor between the distances found and predicted
PLAUSIBLE = 0.1  # O, 20
