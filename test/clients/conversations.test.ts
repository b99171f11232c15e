import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { objectIdOf, startTestInstallation, type TestInstallation } from '../../apps/strongroomd/src/testing/running.ts'
import { replay, type About } from './conversations/replay.ts'
import { pulumi } from './conversations/pulumi.ts'
import { terraform } from './conversations/terraform.ts'
import { verifiedModules } from './conversations/verified-modules.ts'
import { writeCompatibility, type Row } from './support/compatibility.ts'

/** Unavailable clients, replayed by their known requests. */
let installation: TestInstallation
let about: Omit<About, 'group' | 'vault'>
const conversations = [...terraform, ...pulumi, ...verifiedModules]
const rows: Row[] = []
beforeAll(async () => {
  installation = await startTestInstallation()
  const { subscription, tenantId } = installation
  about = { subscription, tenantId, objectId: await objectIdOf(installation.owner) }
})
afterAll(async () => {
  const all = rows.length === conversations.length
  if (all) await writeCompatibility('conversations', 'Clients that are not run, by the requests that they send', rows)
  await installation?.close()
})

describe('a conversation of', () => {
  it.each(conversations.map((each, index) => [each.name, each, index] as const))(
    '%s goes as it does with Azure',
    async (_name, each, index) => {
      const calls = each.calls({
        ...about,
        group: `${about.subscription}/resourceGroups/rg${index}`,
        vault: `tfbox${index}`,
      })
      await replay(installation, calls)
      rows.push({ section: 'Recorded conversations', call: each.name, result: `works: ${calls.length} requests` })
    },
    120_000,
  )

  it('a client that takes another status for success fails', async () => {
    const calls = [
      {
        method: 'GET' as const,
        path: `${about.subscription}/resourceGroups/none`,
        version: '2020-06-01',
        status: [200],
      },
    ]
    await expect(replay(installation, calls)).rejects.toThrow(/404 instead of 200/)
  })
})
