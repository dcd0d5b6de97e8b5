"""How windows are kept and answered; knows no metric.

Ingest only appends events. Two kinds of rollup are made from them, and one tick brings them up to
date and answers. Read in this order:

1. `metric`: what a metric says of itself: what it reads, and what it answers.
2. `counts` and `steps`: the events that *arrived* in five seconds, counted by five-second bucket
   of *event* time, type and page. A step is never incremented: it is made anew from raw events.
   `window` adds them up.
3. `watermark` and `last_seen`: one document a key (a session, say) with the last times that
   something happened. Writing it twice changes nothing; TTL deletes it when its window has passed.
4. `verify`, `repair` and `tick`: find the steps that may have changed, make them anew, then bring
   last seen up to date, then read every metric.

What holds at every moment:

- Raw events are the truth. Every other collection can be dropped and is rebuilt by the next tick.
- A step's head (`until`, `events`) is written after its rows: it claims no event that they lack.
- A watermark goes forward after last seen was written. It goes back before the head of a step
  that had missed something is published. So an event that lands at any moment is either in both,
  or missed by its step: then the next tick that verifies the step catches up both.
- A collection is named after the pipeline that fills it: releases that differ never share one.

A write may land late: its tick was killed, or stopped for a while, or MongoDB hung. By then a
later tick may have begun, and:

- rows and heads lose to those that were made later; a late deletion spares such rows, and a step
  without a head is made anew. Later by a clock that was set ahead is no later: by MongoDB's own
  clock, or that of the next tick, such rows and heads are not made yet, and are replaced;
- last seen keeps the later time, whichever comes first;
- a watermark is no longer held by the tick: the write fails, and the tick gives no answer.
"""
