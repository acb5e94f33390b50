"""What HAProxy's `show stat` says of the boxes."""

from __future__ import annotations

from onecard.gateway.balancer import BoxState, read_states

# Of HAProxy 2.6, fewer columns.
STAT = """# pxname,svname,qcur,scur,status,check_status,check_desc,last_chk,
api,FRONTEND,,3,OPEN,,,,
boxes,box1,0,2,UP,,,,
boxes,box2,0,0,DOWN,,,,
boxes,box3,0,1,DRAIN,,,,
boxes,box4,0,0,UP 1/3,,,,
boxes,BACKEND,0,3,UP,,,,
hop-box1,box1,0,2,UP,L7OK,Layer7 check passed,,
hop-box2,box2,0,0,DOWN,L4CON,Layer4 connection problem,Connection refused,
hop-box2,BACKEND,0,0,DOWN,,,,
"""


def test_each_box_has_its_state_and_the_reason_of_its_hop() -> None:
    assert list(read_states(STAT).values()) == [
        BoxState("box1", "up", 2, "Layer7 check passed"),
        BoxState("box2", "down", 0, "Layer4 connection problem: Connection refused"),
        BoxState("box3", "drained", 1),
        BoxState("box4", "up", 0),
    ]
