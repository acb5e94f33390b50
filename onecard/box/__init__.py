"""Programs that run on the box itself: the standard library alone, for any Python from 3.8 on.

roles/serve.py copies them there. resources/system/release.py starts release.py,
resources/files/hub.py starts hub_download, and the server's unit starts wait-for-memory.sh.
"""
