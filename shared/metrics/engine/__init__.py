"""How windows are kept and answered; knows no metric.

Ingest only appends events. Two kinds of rollup are made from them, and one tick brings them up to
date and answers. Read in this order:

1. `metric`: what a metric says of itself: what it reads, and what it answers.
2. `counts` and `steps`: the events that *arrived* in five seconds, counted by five-second bucket
   of *event* time, type and page, once those seconds are over. `window` adds them up, with raw
   events at both edges.
3. `watermark` and `last_seen`: one document a key (a session, say) with the last times that
   something happened. Writing it twice changes nothing; TTL deletes it when its window has passed.
4. `verify`, `repair` and `tick`: find the steps that are missing or short, make them anew, then
   bring last seen up to date, then read every metric.

What holds at every moment:

- Raw events are the truth. Every other collection can be dropped and is rebuilt by the next tick.
- A step is one document, made from all that had landed. It only ever gains events: of two that were
  made the one of more events stays. So it does not matter who writes it when, by which clock.
- A watermark says that what arrived before `since` is in last seen, and so many `events` of what
  arrived from then to `up_to`. So an event that lands late shows in one of two counts: its step was
  made of fewer, or the watermark was. A watermark goes back before a step that was short is made,
  because nothing tells afterwards that it was.
- A tick takes the watermarks when it begins and moves them when it has read: that fails if another
  tick has begun since, and there is no answer. Last seen itself keeps the later time, whichever
  comes first.
- A collection is named after the pipeline that fills it: releases that differ never share one.
"""
