"""Loops that lay connections out in rows: count what each row holds, then fill it.

A block's ``starts`` have, for each delay class, one entry more than there are sources. While
connections are counted, those of source i are at i + 1; `close_rows` adds them up, so that row i
begins at ``starts[i]``. Filling moves each entry on to the row's end, and `reopen_rows` moves them
back.
"""

from typing import NamedTuple

import numpy as np

from sim.network.random_kernels import (
    CHOICE,
    HALF,
    LOW,
    ONE,
    ZERO,
    Array,
    Spread,
    draw_gaps,
    draw_subset,
    draw_value,
    find_share,
    find_words,
)
from spiketheory.machine.link import kernel


class Rule(NamedTuple):
    """How rows are drawn.

    Attributes:
        key: What they are drawn from, see `sim.network.random_kernels.make_key`.
        delay_key: What delay classes are drawn from.
        room: How many there are to draw from.
        p: Probability of each; below 0 ``degrees`` say how many.
        degrees: Of each row, or of all.
        skips_own: Whether the row's own number is left out.
    """

    key: Array
    delay_key: Array
    room: int
    p: float
    degrees: Array
    skips_own: bool


class Desk(NamedTuple):
    """Where a row is drawn.

    Attributes:
        out: Those that it has.
        marks: A bit for each that there is to draw from, see `draw_subset`.
    """

    out: Array
    marks: Array


class Listing(NamedTuple):
    """Connections that are listed.

    Attributes:
        sources: Of each connection.
        targets: Of each connection.
        delays: Of each, in ticks, where it decides the class; else empty.
        classes: The different delays.
        order: Connections in the order of their targets.
    """

    sources: Array
    targets: Array
    delays: Array
    classes: Array
    order: Array


@kernel()
def draw_counts(key: Array, total: int, room: int, counts: Array) -> None:
    """Draw ``total`` different places of a table, and count those of each row.

    Rows and places are drawn evenly; who meets a place that is taken draws again. Which places are
    taken does not matter for the count, so it is left to `draw_row`.

    Args:
        key: See `sim.network.random_kernels.make_key`.
        total: How many, at most half of all places.
        room: Places of a row.
        counts: Zeros; afterwards how many each row has.
    """
    rows, size = np.uint64(len(counts)), np.uint64(room)
    unfair_row = ((LOW - rows) + ONE) % rows
    unfair = ((LOW - size) + ONE) % size
    block, found = ZERO, 0
    while found < total:
        words = find_words(block & LOW, block >> HALF, ZERO, ONE, key[0], key[1])
        block += ONE
        for first, second in ((words[0], words[1]), (words[2], words[3])):
            a, b = first * rows, second * size
            if (a & LOW) < unfair_row or (b & LOW) < unfair or found == total:
                continue
            row = np.int64(a >> HALF)
            if np.int64(b >> HALF) >= counts[row]:
                counts[row] += 1
                found += 1


@kernel()
def draw_row(rule: Rule, row: int, desk: Desk) -> int:
    """Draw a row, and return how many it has."""
    out = desk.out
    if rule.p >= 0.0:
        count = draw_gaps(rule.key, row, rule.room, rule.p, out) if rule.p > 0.0 else 0
    else:
        count = rule.degrees[row] if len(rule.degrees) > 1 else rule.degrees[0]
        draw_subset(rule.key, row, rule.room, count, out, desk.marks)
    if rule.skips_own:
        for e in range(count):
            out[e] += out[e] >= row
    return count


@kernel()
def draw_class(key: Array, source: int, target: int, n_classes: int) -> int:
    """Which of some delays a connection has: the one that `draw_value` draws."""
    if n_classes == 1:
        return 0
    a, b, _, _ = find_words(np.uint64(source), np.uint64(target), ZERO, ZERO, key[0], key[1])
    return int(find_share(a, b) * n_classes)


@kernel()
def count_heard(rule: Rule, ends: Array, starts: Array, desk: Desk) -> None:
    """Count the connections onto the neurons of a block, drawn target by target.

    Args:
        rule: How.
        ends: First neuron of the block, counted within the population, and its end.
        starts: Shape (n_classes, n_sources + 1), zeros.
        desk: Where rows are drawn.
    """
    for target in range(ends[0], ends[1]):
        for e in range(draw_row(rule, target, desk)):
            source = desk.out[e]
            starts[draw_class(rule.delay_key, source, target, len(starts)), source + 1] += 1


@kernel()
def fill_heard(
    rule: Rule, ends: Array, starts: Array, desk: Desk, places: Array, targets: Array
) -> None:
    """Fill the rows that `count_heard` counted.

    Args:
        rule: How.
        ends: First neuron of the block, counted within the population, and its end.
        starts: Shape (n_classes, n_sources + 1).
        desk: Where rows are drawn.
        places: Where each class begins in ``targets``.
        targets: Of all blocks.
    """
    for target in range(ends[0], ends[1]):
        for e in range(draw_row(rule, target, desk)):
            source = desk.out[e]
            group = draw_class(rule.delay_key, source, target, len(starts))
            place = starts[group, source]
            starts[group, source] = place + 1
            targets[places[group] + place] = target - ends[0]


@kernel()
def count_sent(rule: Rule, ends: Array, bounds: Array, starts: Array, desk: Desk) -> None:
    """Count the connections of some sources, drawn source by source.

    Args:
        rule: How.
        ends: The first source, and the end.
        bounds: First neuron of each block, counted within the population, and the end; all but
            the last block are of one size.
        starts: Shape (n_blocks, n_classes, n_sources + 1), zeros.
        desk: Where rows are drawn.
    """
    n_groups, size = starts.shape[1], bounds[1] - bounds[0]
    for source in range(ends[0], ends[1]):
        for e in range(draw_row(rule, source, desk)):
            target = desk.out[e]
            if bounds[0] <= target < bounds[-1]:
                group = draw_class(rule.delay_key, source, target, n_groups)
                starts[(target - bounds[0]) // size, group, source + 1] += 1


@kernel()
def fill_sent(
    rule: Rule, ends: Array, bounds: Array, starts: Array, desk: Desk, places: Array,
    targets: Array,
) -> None:  # fmt: skip
    """Fill the rows that `count_sent` counted, in the order of targets.

    Args:
        rule: How.
        ends: The first source, and the end.
        bounds: First neuron of each block, counted within the population, and the end.
        starts: Shape (n_blocks, n_classes, n_sources + 1).
        desk: Where rows are drawn.
        places: Where each block and class begins in ``targets``.
        targets: Of all blocks.
    """
    n_groups, size = starts.shape[1], bounds[1] - bounds[0]
    for source in range(ends[0], ends[1]):
        count = draw_row(rule, source, desk)
        sort_numbers(desk.out, count)
        for e in range(count):
            target = desk.out[e]
            if bounds[0] <= target < bounds[-1]:
                block = (target - bounds[0]) // size
                group = draw_class(rule.delay_key, source, target, n_groups)
                place = starts[block, group, source]
                starts[block, group, source] = place + 1
                targets[places[block, group] + place] = target - bounds[block]


@kernel()
def sort_numbers(values: Array, count: int) -> None:
    """Sort the first numbers of an array (D. L. Shell, CACM 2, 30, 1959; gaps of M. Ciura)."""
    for gap in (301, 132, 57, 23, 10, 4, 1):
        for i in range(gap, count):
            value, j = values[i], i
            while j >= gap and values[j - gap] > value:
                values[j] = values[j - gap]
                j -= gap
            values[j] = value


@kernel()
def count_listed(listing: Listing, ends: Array, starts: Array) -> None:
    """Count listed connections onto a block.

    Args:
        listing: All connections.
        ends: The first that leads to the block, in the order of targets, and the end.
        starts: Shape (n_classes, n_sources + 1), zeros.
    """
    for place in range(ends[0], ends[1]):
        e = listing.order[place]
        starts[find_class(listing, e), listing.sources[e] + 1] += 1


@kernel()
def fill_listed(
    listing: Listing, ends: Array, first: int, starts: Array, places: Array, targets: Array,
    numbers: Array,
) -> None:  # fmt: skip
    """Fill the rows that `count_listed` counted.

    Args:
        listing: All connections.
        ends: The first that leads to the block, in the order of targets, and the end.
        first: The block's first neuron.
        starts: Shape (n_classes, n_sources + 1).
        places: Where each class begins in ``targets``.
        targets: Of all blocks.
        numbers: Where the number of each connection of the block goes, class after class.
    """
    for place in range(ends[0], ends[1]):
        e = listing.order[place]
        group, source = find_class(listing, e), listing.sources[e]
        row = starts[group, source]
        starts[group, source] = row + 1
        targets[places[group] + row] = listing.targets[e] - first
        numbers[places[group] - places[0] + row] = e


@kernel()
def find_class(listing: Listing, connection: int) -> int:
    """Place of a connection's delay among the different ones."""
    place = 0
    if len(listing.delays):
        while listing.classes[place] != listing.delays[connection]:
            place += 1
    return place


@kernel()
def list_classes(delays: Array, classes: Array) -> int:
    """Find the different delays, as many as ``classes`` holds; -1 if there are more."""
    n, last = 0, 0
    for delay in delays:
        if n and classes[last] == delay:
            continue
        last = 0
        while last < n and classes[last] != delay:
            last += 1
        if last == n:
            if n == len(classes):
                return -1
            classes[n] = delay
            n += 1
    return n


@kernel()
def find_divisor(delays: Array) -> int:
    """Greatest common divisor of whole numbers."""
    divisor = 0
    for delay in delays:
        a = int(delay)
        while a:
            divisor, a = a, divisor % a
        if divisor == 1:
            break
    return divisor


@kernel()
def count_targets(targets: Array, ends: Array) -> None:
    """How many connections lead to each neuron, at its number + 1 in zeros."""
    for target in targets:
        ends[target + 1] += 1


@kernel()
def order_by_target(targets: Array, ends: Array, order: Array) -> None:
    """Connections in the order of their targets, otherwise in that of the list.

    Args:
        targets: Of each connection.
        ends: Where those of each neuron begin; afterwards where they end.
        order: Where the numbers of the connections go.
    """
    for e in range(len(targets)):
        order[ends[targets[e]]] = e
        ends[targets[e]] += 1


@kernel()
def find_twice(sources: Array, order: Array, ends: Array, stamps: Array) -> int:
    """A connection that is there twice; -1 if there is none.

    Args:
        sources: Of each connection.
        order: Connections in the order of their targets.
        ends: Where those of each target begin in ``order``, and the end.
        stamps: One of -1 for each source.
    """
    for target in range(len(ends) - 1):
        for place in range(ends[target], ends[target + 1]):
            source = sources[order[place]]
            if stamps[source] == target:
                return int(order[place])
            stamps[source] = target
    return -1


@kernel()
def close_rows(starts: Array) -> int:
    """Turn counts into where rows begin, and return how many connections there are."""
    total = 0
    for i in range(len(starts)):
        total += starts[i]
        starts[i] = total
    return total


@kernel()
def reopen_rows(starts: Array) -> None:
    """Turn where rows end into where they begin."""
    for i in range(len(starts) - 1, 0, -1):
        starts[i] = starts[i - 1]
    starts[0] = 0


@kernel()
def draw_weights(
    spread: Spread, rounds: bool, factor: float, first: int, starts: Array, targets: Array,
    out: Array,
) -> None:  # fmt: skip
    """Draw the weight of each connection of a block.

    Args:
        spread: What they are drawn from.
        rounds: Whether they are rounded to single precision.
        factor: What they are multiplied by.
        first: The block's first neuron.
        starts: Where each row begins, and the end.
        targets: Of the block.
        out: Where they go.
    """
    for source in range(len(starts) - 1):
        for e in range(starts[source], starts[source + 1]):
            value = draw_value(spread, source, first + targets[e])
            out[e] = factor * (float(np.float32(value)) if rounds else value)


@kernel()
def draw_delays(
    spread: Spread, steps: Array, first: int, starts: Array, targets: Array, out: Array
) -> None:
    """Draw the delay of each connection of a block.

    Args:
        spread: What they are drawn from.
        steps: A delay's step; the same as a whole number, 0 if it is none, over a power of ten;
            ticks in a unit of time, 0 if delays stay times; ticks in a unit of ``out``; the least
            number of steps.
        first: The block's first neuron.
        starts: Where each row begins, and the end.
        targets: Of the block.
        out: Where they go.
    """
    for source in range(len(starts) - 1):
        for e in range(starts[source], starts[source + 1]):
            value = draw_value(spread, source, first + targets[e])
            out[e] = round_delay(value, spread.kind, steps) / steps[4]


@kernel()
def round_delay(value: float, kind: int, steps: Array) -> float:
    """A delay that was drawn, in ticks, or in time if there are none; see `draw_delays`."""
    if kind != CHOICE:
        value = max(np.rint(value / steps[0]), steps[5])
        value = value * steps[1] / steps[2] if steps[1] > 0.0 else value * steps[0]
    return float(np.rint(value * steps[3])) if steps[3] > 0.0 else value
