"""How windows are kept and answered; knows no metric.

Ingest only appends events. Two kinds of rollup are made from them, and one tick brings them up to
date and answers. Read in this order:

1. `source`: what a metric says of itself: what it reads, and what it answers.
2. `steps`: counts of the events that *arrived* in five seconds, by five-second bucket of *event*
   time, type and page. A step is never incremented: it is made anew from raw events.
3. `newest`: one document a key (a session, say) with the newest time that something happened.
   Writing it twice changes nothing; TTL deletes it when its window has passed.
4. `tick`: verifies the steps that may have changed, makes them anew, then brings the newest up to
   date, then reads every metric.
5. `current`: one tick for all who ask at the same time, in this process and in others.

What holds at every moment:

- Raw events are the truth. Every other collection can be dropped and is rebuilt by the next tick.
- A step's head (`until`, `events`) is written after its rows: it claims no event that they lack.
- A watermark is moved forward after the newest was written, and moved back before the steps that
  were wrong are made anew. So an event that lands at any moment is either counted, or missed by
  the step that its arrival belongs to, and then seen by the next tick that verifies the step.
- A collection is named after the pipeline that fills it: releases that differ never share one.
"""
