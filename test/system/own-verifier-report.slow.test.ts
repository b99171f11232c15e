import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'

/** NonPersistedTPM without guests: the paravisor's part of the boot is the same as elsewhere, and its evidence is shown link by link. */
const installation = await TestInstallation.create()
beforeAll(async () => await installation.start({}, ['--compute', 'simulated']))
afterAll(async () => await installation.remove())

it('a VM with NonPersistedTPM has no key, token or guest state of the operator’s in its report, and a new vTPM at each start', async () => {
  const name = 'apart'
  await installation.must('vm', 'create', name, '--tee', 'tdx', '--encryption', 'NonPersistedTPM')
  const shown = async (): Promise<string[]> => {
    const { json } = await installation.cli('vm', 'trust', name)
    const { links } = json as { links: { id: string; outcome: string; shows: string[] }[] }
    expect(links.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual([
      'silicon verified',
      'measurement verified',
      'claims verified',
      'own-verifier verified',
      'vtpm verified',
      'image verified',
      'measured-boot verified',
      // No guest ran: no disk was opened, SSH has no key, and nobody answers.
      'disk not checked',
      'settings verified',
      'ssh-host-key not checked',
      'running-guest not checked',
    ])
    return links.find(({ id }) => id === 'vtpm')!.shows
  }
  const first = await shown()
  await installation.must('vm', 'stop', name)
  await installation.must('vm', 'start', name)
  expect(await shown()).not.toEqual(first)
})
