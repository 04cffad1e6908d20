import sys, pytest
from pathlib import Path
from tests.conversation import *
from triage.casework import deadline
ASOF={"t01":"2026-03-03 09:30","t03":"2026-06-15 09:00","t04":"2026-02-11 12:00","t10":"2026-05-08 12:00","t11":"2026-06-10 17:15","t02":"2026-10-26 10:30"}
@pytest.mark.parametrize("name", sorted(THREADS))
def test_play(name, tmp_path, imap_server):
    with __import__('triage.world.inbox',fromlist=['x']).open(imap_server.account) as box: box.ensure("Sent")
    with stage(tmp_path, imap_server, name) as play:
        for m in THREADS[name]:
            play.mail(m)
        if name in ASOF: play.until(london(ASOF[name]))
        d=play.desk
        for c in play.cases():
            print('\n###',name,c.number,c.status.value,c.disposition.value,c.complaint_type,c.urgency.word,'owner',c.owner,'cust',c.customer,sorted(c.participants),'recv',spell(c.received_at),'holds',[(spell(h.at),spell(h.until)) for h in c.holds],'review',c.review and c.review.reasons, 'handoffs',c.handoffs)
            print(' flags',[(f.name,f.evidence) for f in c.flags],'chases',[spell(x.at) for x in c.chases])
            for x in deadline.of(c,d.config.policies,d.config.calendars,d.now(),history=True): print('  clock',x.target.value,x.cycle,x.state.value,'due',spell(x.due),'start',spell(x.start),'fin',spell(x.finished_at),'rem',spell(x.reminder_at),'br',spell(x.breached_at),x.cause,'sup' if x.superseded else '')
            for t in c.taken: print('  step',t.target,t.name,t.step,spell(t.at),'deliver',spell(t.delivered_at),'skipped' if t.skipped else '')
            for p in c.promises: print('  promise',p.name,p.type,p.state,spell(p.due),p.assumed,p.text[:60])
            for n in play.notices(c): print('  notice',n['kind'],n['recipient'],spell(n['created_at']),spell(n['not_before']),n['subject'][:70])
