import { expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../clock/clock.ts'
import { ServiceError } from '../errors/errors.ts'
import { createLogger } from '../log/logger.ts'
import { storeUnavailable } from '../store/postgres/unavailable.ts'
import { describeStores } from '../testing/stores.ts'
import { OperationRunner } from './runner.ts'

const logger = createLogger({ level: 'silent' })

describeStores('an operation', (open) => {
  it.each(['a step', 'what undoes a step', 'what hears of the end'])(
    'does not fail for a database that is away for a while in %s',
    async (where) => {
      const store = await open()
      const runner = new OperationRunner({ store, logger, clock: systemClock, owner: 'test' })
      onTestFinished(() => runner.stop())
      let left = 5
      const away = async (here: string): Promise<void> => {
        if (here === where && left-- > 0) throw storeUnavailable()
      }
      runner.define({
        kind: 'patient',
        steps: [
          { name: 'a', do: () => away('a step'), undo: () => away('what undoes a step') },
          {
            name: 'b',
            do: async () => {
              if (where === 'what undoes a step') throw new ServiceError({ code: 'Conflict', message: 'b broke' })
            },
          },
        ],
        onFinished: () => away('what hears of the end'),
      })
      await runner.start()
      const { id } = await runner.submit({ kind: 'patient', resourceId: 'r', principal: 'p', params: {} })
      const { status, steps, error } = await runner.wait(id)
      expect(left).toBeLessThan(0)
      if (where === 'what undoes a step')
        expect([status, error?.code, steps.map(({ state }) => state)]).toEqual([
          'Failed',
          'Conflict',
          ['Undone', 'Failed'],
        ])
      else expect([status, error]).toEqual(['Succeeded', undefined])
    },
  )

  it('repeats a step that met other requests, as a client would, and no other', async () => {
    const store = await open()
    const runner = new OperationRunner({ store, logger, clock: systemClock, owner: 'test' })
    onTestFinished(() => runner.stop())
    const made: string[] = []
    const failing = async (code: 'ServerBusy' | 'Conflict', times: number): Promise<void> => {
      made.push(code)
      if (made.length <= times) throw new ServiceError({ code, message: 'as asked' })
    }
    runner.define({ kind: 'busy', steps: [{ name: 'a', do: () => failing('ServerBusy', 2) }] })
    runner.define({ kind: 'always busy', steps: [{ name: 'a', do: () => failing('ServerBusy', 100) }] })
    runner.define({ kind: 'refused', steps: [{ name: 'a', do: () => failing('Conflict', 100) }] })
    await runner.start()
    const ended = async (kind: string): Promise<unknown[]> => {
      made.length = 0
      const { id } = await runner.submit({ kind, resourceId: kind, principal: 'p', params: {} })
      const { status, error } = await runner.wait(id)
      return [status, error?.code, made.length]
    }
    expect(await ended('busy')).toEqual(['Succeeded', undefined, 3])
    expect(await ended('always busy')).toEqual(['Failed', 'ServerBusy', 4])
    expect(await ended('refused')).toEqual(['Failed', 'Conflict', 1])
  })
})
