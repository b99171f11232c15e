import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../clock/clock.ts'
import { createLogger } from '../log/logger.ts'
import { describeStores } from '../testing/stores.ts'
import { OperationRunner } from './runner.ts'

describeStores('OperationRunner', (open) => {
  it('holds off other operations of a resource until the transaction ends', async () => {
    const store = await open()
    let openGate = (): void => {}
    const gate = new Promise<void>((resolve) => (openGate = resolve))
    const logger = createLogger({ level: 'silent' })
    const runner = new OperationRunner({ store, logger, clock: systemClock, owner: 'test' })
    runner.define<{ waits?: boolean }>({
      kind: 'paint',
      steps: [{ name: 'a', do: async ({ params }) => await (params.waits === true ? gate : undefined) }],
    })
    await runner.start()
    onTestFinished(async () => await runner.stop())
    const first = await runner.submit({ kind: 'paint', resourceId: 'r', principal: 'p', params: { waits: true } })
    const order: string[] = []
    let tellHeld = (): void => {}
    const held = new Promise<void>((resolve) => (tellHeld = resolve))
    const second = held
      .then(async () => await runner.submit({ kind: 'paint', resourceId: 's', principal: 'p', params: {} }))
      .finally(() => order.push('another is recorded'))
    const found = await store.transaction(async (tx) => {
      const both = [await runner.holdOff('r', tx), await runner.holdOff('s', tx)]
      tellHeld()
      await sleep(100)
      order.push('the transaction ends')
      return both.map((list) => list.map(({ id }) => id))
    })
    expect(found).toEqual([[first.id], []])
    openGate()
    await runner.wait((await second).id)
    await runner.wait(first.id)
    expect(order).toEqual(['the transaction ends', 'another is recorded'])
    expect(await store.transaction(async (tx) => await runner.holdOff('r', tx))).toEqual([])
  })
})
