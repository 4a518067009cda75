"""What counting alone reaches on held-out text: unigram, trigram and five-gram losses.

They tell how much of ember's loss is more than remembering which words stand together.  Longer
contexts are smoothed by shorter ones, as Witten and Bell do it: the weight of the shorter one is the
number of different tokens seen after a context against how often it was seen.  Nothing is tuned.
"""

import math
from collections import defaultdict


def _contexts(ids, length):
    """context (a tuple of that length): token -> count."""
    counts = defaultdict(lambda: defaultdict(int))
    for i in range(length, len(ids)):
        counts[tuple(ids[i - length:i])][ids[i]] += 1
    return counts


def losses(train_ids, test_ids, vocabulary, orders=(1, 3, 5)):
    """order: mean loss in nats a token.  An order of n sees n - 1 tokens before each."""
    share = [1.0 / vocabulary] * len(test_ids)
    result = {}
    for length in range(max(orders)):
        counts = _contexts(train_ids, length)
        for i in range(length, len(test_ids)):
            after = counts.get(tuple(test_ids[i - length:i]))
            if after:
                seen, kinds = sum(after.values()), len(after)
                share[i] = (after.get(test_ids[i], 0) + kinds * share[i]) / (seen + kinds)
        if length + 1 in orders:
            result[length + 1] = -sum(math.log(p) for p in share) / len(share)
    return result
