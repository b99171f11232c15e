import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { describe, expect, it } from 'vitest'
import { crashScenarios } from '../testing/crash-scenarios.ts'
import { coresAgree, inGroup, raiseQuotas, settled, stateOfGroup } from '../testing/crash-state.ts'
import { FakeWire } from '../testing/fake-wire.ts'
import { Mortal } from '../testing/mortal.ts'
import { openTestPlane, type TestPlane } from '../testing/test-plane.ts'

/** Kinds of sagas that the driver without guests cannot run, with reasons. */
const elsewhere: Record<string, string> = {
  'vm.convert': 'its image has no kernel that converts; compute/vm-conversion.test.ts and the system tests kill it',
  'vm.rekey': 'a VM without a guest has no volume key; compute/vm-rekey.test.ts and the host’s own tests kill it',
}

const seen = new Set<string>()

/** A resource manager that can die, with data and services that stay. */
async function live(store: Store, wire: FakeWire): Promise<{ plane: TestPlane; mortal: Mortal }> {
  const mortal = new Mortal()
  const plane = await openTestPlane(store, wire, {
    compute: 'simulated',
    store: mortal.store(store),
    through: mortal.wire(wire),
  })
  return { plane, mortal }
}

/** Lines that only one of the two has. */
const difference = (expected: string[], found: string[]): string[] => [
  ...expected.filter((line) => !found.includes(line)).map((line) => `- ${line}`),
  ...found.filter((line) => !expected.includes(line)).map((line) => `+ ${line}`),
]

describeStores('after kill -9 before any of its effects,', (open) => {
  it.each(Object.keys(crashScenarios))(
    'the %s ends where it ends undisturbed',
    async (name) => {
      const scenario = crashScenarios[name]!
      const store = await open()
      const wire = new FakeWire()
      const closing: Promise<void>[] = []
      let { plane, mortal } = await live(store, wire)
      await raiseQuotas(plane)
      const calm = inGroup(plane, 'zq0')
      await scenario.prepare(calm, 'zq0')
      expect((await scenario.act(calm, 'zq0')).status).toBeLessThan(300)
      await settled(plane)
      const expected = await stateOfGroup(plane, 'zq0')
      const kinds = await store.db.selectFrom('strongroom_operation').select('kind').distinct().execute()
      for (const { kind } of kinds) seen.add(String(kind))
      let deaths = 0
      for (let at = 1; ; at += 1) {
        const group = `zq${at}`
        const mine = inGroup(plane, group)
        await scenario.prepare(mine, group)
        mortal.dieAt(at)
        const answered = scenario.act(mine, group).then(
          ({ status }) => status < 500,
          () => false,
        )
        const ended = answered.then(async () => await settled(plane)).catch(async () => await mortal.died)
        await Promise.race([ended, mortal.died])
        mortal.spare()
        if (!mortal.dead) {
          expect(difference(expected, await stateOfGroup(plane, group))).toEqual([])
          break
        }
        deaths += 1
        const heard = await answered
        closing.push(plane.service.close().catch(() => {}))
        // Other processes notice at once when a process on their host dies; this one lives on, so its leases are taken here.
        await store.db
          .updateTable('strongroom_operation')
          .set({ lease_owner: null, lease_until: null })
          .where('lease_owner', 'is not', null)
          .execute()
        ;({ plane, mortal } = await live(store, wire))
        // A caller without an answer asks again.
        if (!heard) await scenario.act(inGroup(plane, group), group)
        await settled(plane)
        expect([at, ...difference(expected, await stateOfGroup(plane, group))]).toEqual([at])
        const [counted, reserved] = await coresAgree(plane)
        expect(counted).toBe(reserved)
      }
      expect(deaths).toBeGreaterThan(0)
      await plane.service.close()
      await Promise.all(closing)
    },
    300_000,
  )
})

describe('the list of what is killed', () => {
  it('has every kind of saga that there is', async () => {
    const root = join(import.meta.dirname, '..')
    const files = (await readdir(root, { recursive: true })).filter(
      (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
    )
    const texts = await Promise.all(files.map(async (file) => await readFile(join(root, file), 'utf8')))
    const kinds = texts.flatMap((text) => [...text.matchAll(/^ {4}kind: '([a-z]+\.[a-zA-Z]+)',$/gm)].map((m) => m[1]!))
    expect(kinds.length).toBeGreaterThan(5)
    expect(kinds.filter((kind) => !seen.has(kind) && elsewhere[kind] === undefined)).toEqual([])
  })
})
