"""Timing of a training step of the ancestors' TensorFlow network, run by an interpreter with TensorFlow.

``python peer_step.py CLONE THREADS REPEATS DENSITY …`` prints one line of JSON: lists of seconds by density.
The network is the clone's own `Network`, 3072–1024–1024–10 with BatchNorm on every layer's input, batch 1000,
SGD, random masks on all but the output layer; batches are taken from arrays as the clone does. It was
written for TensorFlow 1, which later versions provide as ``tensorflow.compat.v1``.
"""

import itertools
import json
import sys
import time
from pathlib import Path

import numpy as np

WIDTHS, BATCH_SIZE, LEARNING_RATE = (3072, 1024, 1024, 10), 1000, 0.05


def main(clone, threads, repeats, *densities):
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    sys.modules["tensorflow"] = tf
    sys.path.insert(0, str(next(Path(clone).rglob("Network.py")).parent))
    from Network import Network

    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((4000, 3, 32, 32), dtype=np.float32)
    labels = rng.integers(0, WIDTHS[-1], len(inputs))
    shapes = list(itertools.pairwise(WIDTHS))
    arch = [("f" if fan_out > 10 else "x", [fan_in, fan_out], fan_out > 10) for fan_in, fan_out in shapes]
    statistics = [np.stack([np.zeros(n, np.float32), np.ones(n, np.float32)]) for n, _ in shapes]
    network = Network(arch, [3, 32, 32], LEARNING_RATE, "SGD", None, True)
    options = tf.ConfigProto(intra_op_parallelism_threads=int(threads), inter_op_parallelism_threads=1)
    found = {}
    with tf.Session(config=options) as session:
        for density in map(float, densities):
            masks = [
                [
                    (rng.random(shape) < (density if shape[1] > 10 else 1)).astype(np.float32),
                    np.ones(shape[1], np.float32),
                ]
                for shape in shapes
            ]
            tf.global_variables_initializer().run()
            network.load(session, None, masks)
            times = []
            for _ in range(int(repeats) + 2):
                began = time.perf_counter()
                rows = rng.choice(len(inputs), BATCH_SIZE)
                network.run(session, inputs[rows], labels[rows], None, None, statistics, val=False)
                times.append(time.perf_counter() - began)
            found[density] = times[2:]
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
