import { expect } from 'vitest'
import {
  group,
  makeNetwork,
  networkPath,
  openTestPlane,
  vmRequest,
  type Loose,
  type TestPlane,
  type TestReply,
} from './test-plane.ts'

const location = 'westeurope'
export const setPath = (name: string): string => `${group}/providers/Microsoft.Compute/virtualMachineScaleSets/${name}`
export const subnet: string = `${networkPath('virtualNetworks', 'vnet')}/subnets/default`

/** As `az vmss create --orchestration-mode Flexible` sends it for confidential VMs, except for what is marked. */
export function setRequest(capacity: number, bend: (properties: Loose) => void = () => {}): Loose {
  const { securityProfile, storageProfile, osProfile } = vmRequest('x')['properties'] as Loose
  const { computerName: _, ...account } = osProfile
  const properties: Loose = {
    orchestrationMode: 'Flexible',
    platformFaultDomainCount: 1,
    singlePlacementGroup: null,
    upgradePolicy: { mode: 'manual' },
    virtualMachineProfile: {
      securityProfile,
      storageProfile,
      osProfile: { ...account, computerNamePrefix: 'web' },
      networkProfile: {
        networkApiVersion: '2020-11-01',
        networkInterfaceConfigurations: [
          {
            name: 'webNic',
            properties: {
              primary: 'true',
              ipConfigurations: [
                {
                  name: 'webIPConfig',
                  properties: {
                    subnet: { id: subnet },
                    publicipaddressconfiguration: {
                      name: 'instancepublicip',
                      properties: { idleTimeoutInMinutes: 10 },
                    },
                  },
                },
              ],
            },
          },
        ],
      },
    },
  }
  bend(properties)
  return { location, tags: { a: 'b' }, sku: { name: 'Standard_DC2as_v5', capacity }, properties }
}

export async function open(store: Parameters<typeof openTestPlane>[0]): Promise<TestPlane> {
  const plane = await openTestPlane(store, undefined, { compute: 'simulated' })
  await makeNetwork(plane, 'vm1')
  return plane
}

export const refusal = ({ status, body }: TestReply): unknown[] => [status, body?.error?.code]
export const listed = async (plane: TestPlane, path: string): Promise<Loose[]> =>
  (await plane.send('GET', path)).body.value as Loose[]
export const instances = async (plane: TestPlane, name = 'web'): Promise<Loose[]> =>
  await listed(plane, `${setPath(name)}/virtualMachines`)
export const idsIn = async (plane: TestPlane, type: string): Promise<string[]> =>
  (await listed(plane, `${group}/resources`)).filter((each) => each['type'] === type).map(({ id }) => id as string)
export const capacityOf = async (plane: TestPlane): Promise<unknown> =>
  (await plane.send('GET', setPath('web'))).body.sku?.capacity

export async function made(plane: TestPlane, capacity: number, bend?: (properties: Loose) => void): Promise<void> {
  const { reply, operation } = await plane.run('PUT', setPath('web'), setRequest(capacity, bend))
  expect([reply.status, operation.status], JSON.stringify(operation.error)).toEqual([201, 'Succeeded'])
}

export async function scaled(plane: TestPlane, capacity: number): Promise<void> {
  const sku = { name: 'Standard_DC2as_v5', capacity }
  const { reply, operation } = await plane.run('PUT', setPath('web'), { location, sku })
  expect([reply.status, operation.status], JSON.stringify(operation.error)).toEqual([200, 'Succeeded'])
}
