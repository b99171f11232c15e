import { freePort } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from '../system/support/installation.ts'
import { JoiningHosts } from './support/joining-hosts.ts'

let hosts: JoiningHosts
beforeAll(async () => {
  hosts = await JoiningHosts.create()
})
afterAll(async () => await hosts.remove())

describe('a host', () => {
  it('does not join through somebody in between, who has another authority (attack W30)', async () => {
    const other = await TestInstallation.create()
    const between = `127.0.0.1:${await freePort()}`
    await other.start({}, ['--compute', 'simulated', '--fleet-address', between])
    try {
      const { joinCode } = await hosts.add('three')
      const { child, said } = hosts.onHost('three', ['join', between], joinCode)
      await expect.poll(() => child.exitCode).toBe(1)
      expect(said()).toContain('is not the installation that issued the join code')
      expect(await other.serverLog()).not.toContain('/join')
    } finally {
      await other.remove()
    }
  })
})
