"""Tries settings of the server one at a time, in trial releases, and keeps what a goal gains from.

A trial is a deploy, the guards (picture questions, grounding), and a load that is repeated with the
same requests as before it, so that rounds are compared in pairs.
"""
