import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { describeStores } from '@strongroom/platform/testing'
import { group, openTestPlane, type Loose } from '../testing/test-plane.ts'

const path = `${group}/providers/Microsoft.Resources/deployments/d1`
const count = 40

/** A chain, so that the deployment runs for a while. */
const chain = (more: Loose = {}): Loose => ({
  properties: {
    mode: 'Incremental',
    template: {
      $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
      contentVersion: '1.0.0.0',
      ...more.template,
      resources: Array.from({ length: count }, (_, index) => ({
        type: 'Microsoft.Network/publicIPAddresses',
        apiVersion: '2023-09-01',
        name: `ip${index}`,
        location: 'westeurope',
        dependsOn: index === 0 ? [] : [`ip${index - 1}`],
      })),
    },
    ...more.properties,
  },
})

describeStores('a deployment whose server ends', (open) => {
  const interrupted = async (body: Loose): Promise<Loose> => {
    const store = await open()
    const first = await openTestPlane(store, undefined, { compute: 'simulated' })
    await first.send('PUT', group, { location: 'westeurope' })
    const reply = await first.send('PUT', path, body)
    expect(reply.status).toBe(201)
    // In progress: it has created something, and most of its chain is left.
    const begun = async (): Promise<boolean> =>
      ((await first.send('GET', `${group}/resources`)).body.value as unknown[]).length > 0
    while (!(await begun())) await setImmediate()
    await first.service.close()
    const second = await openTestPlane(store, undefined, { compute: 'simulated' })
    try {
      await second.follow(reply)
      const { properties } = (await second.send('GET', path)).body
      const made = (await second.send('GET', `${group}/resources`)).body.value.length as number
      return { properties, made }
    } finally {
      await second.service.close()
    }
  }

  it('goes on at the next start and ends as if nothing had been', async () => {
    const { properties, made } = await interrupted(chain())
    expect([properties.provisioningState, properties.outputResources.length, made]).toEqual(['Succeeded', count, count])
  })

  it('fails where it had secure parameters, since they are kept nowhere', async () => {
    const body = chain({
      template: { parameters: { s: { type: 'securestring' } } },
      properties: { parameters: { s: { value: 'not to be kept' } } },
    })
    const { properties, made } = await interrupted(body)
    expect(properties.error.code).toBe('DeploymentInterrupted')
    expect(made).toBeLessThan(count)
  })
})
