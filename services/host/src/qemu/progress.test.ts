import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConsoleProgress } from './progress.ts'

function afterwards(...texts: string[]): number[] {
  const progress = new ConsoleProgress()
  return texts.map((text) => {
    progress.take(text)
    return progress.bytes
  })
}

/** As a guest of two processors printed it that stood still for minutes. */
const stalled =
  '[  464.075352] rcu: rcu_preempt kthread starved for 5252 jiffies! g-1115 f0x0 RCU_GP_WAIT_FQS(5) ->state=0x402 ->cpu=1\r\n'
const dump = '[  464.075600] rcu: RCU grace-period kthread stack dump:\r\n[  464.076000] Call Trace:\r\n'

describe('progress on a guest’s console', () => {
  it('is all that it says, with the line that has no end yet', () => {
    const [kernel, prompt] = afterwards('[    1.000000] Run /init\r\n', 'login: ')
    expect(kernel).toBeGreaterThan(0)
    expect(prompt).toBe(kernel! + 'login: '.length)
  })

  it.each([
    stalled,
    '[   40.100000] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\r\n',
    '[   60.100000] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [swapper/0:1]\r\n',
    '[  241.100000] INFO: task systemd:1 blocked for more than 120 seconds.\r\n',
    '[  100.100000] BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 33s!\r\n',
  ])('is nothing that the kernel says once it reports a stall: %s', (report) => {
    const [before, ...later] = afterwards('[  OK  ] Reached target\r\n', report, dump, report)
    expect(later).toEqual([before, before, before])
  })

  it('goes on in a long line without an end', () => {
    const [before, after] = afterwards('.'.repeat(1000), '.')
    expect(after).toBe(before! + 1)
  })

  it('goes on when a program says something after a stall', () => {
    const [before, after] = afterwards(stalled + dump, '[  OK  ] Started\r\n')
    expect(after).toBeGreaterThan(before!)
  })

  it('is nothing of a program’s that looks like a stall', () => {
    const [before, after] = afterwards('rcu: INFO: says a program\r\n', '[    9.000000] Run /init\r\n')
    expect(after).toBeGreaterThan(before!)
  })

  it('is the same in whatever pieces it comes', () => {
    const text = `BdsDxe: loading\r\n[    1.000000] Run /init\r\n${stalled}${dump}[  OK  ] Started\r\n${stalled}login: `
    const [whole] = afterwards(text)
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), (places) => {
        const cuts = [0, ...places.toSorted((a, b) => a - b), text.length]
        const pieces = cuts.slice(1).map((end, index) => text.slice(cuts[index], end))
        expect(afterwards(...pieces).at(-1)).toBe(whole)
      }),
    )
  })
})
