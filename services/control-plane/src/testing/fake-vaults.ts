import type { DeletedVaultRecord, VaultChange, VaultRecord } from '@strongroom/contract'
import type { WireRequest } from '@strongroom/platform'

interface Answer {
  status: number
  body?: unknown
}

const problem = (status: number, code: string): Answer => ({ status, body: { error: { code, message: code } } })

/** The key service's wire for vaults in tests of the resource manager: stores what it receives. */
export class FakeVaults {
  readonly live: Map<string, VaultRecord> = new Map<string, VaultRecord>()
  readonly deleted: Map<string, DeletedVaultRecord> = new Map<string, DeletedVaultRecord>()

  readonly hsms: Set<string> = new Set()

  /** Firmware settings of VMs, by vmId. */
  readonly firmware: Map<string, unknown> = new Map<string, unknown>()

  answer(o: WireRequest, url: URL): Answer {
    const [, collection, given = '', verb] = url.pathname.split('/')
    const name = given.toLowerCase()
    if (collection === 'availability') {
      return { status: 200, body: { nameAvailable: !this.live.has(name) && !this.deleted.has(name) } }
    }
    if (collection === 'vms') return this.#firmware(o, given)
    if (collection === 'managedhsms') return this.#hsm(o, name)
    return collection === 'vaults' ? this.#vault(o, name) : this.#deletedVault(o, name, verb)
  }

  #firmware(o: WireRequest, vmId: string): Answer {
    if (o.method === 'PUT') this.firmware.set(vmId, (o.body as { updates: unknown }).updates)
    else this.firmware.delete(vmId)
    return o.method === 'PUT' ? { status: 200, body: o.body } : { status: 204 }
  }

  #hsm(o: WireRequest, name: string): Answer {
    if (o.method === 'DELETE') return this.hsms.delete(name) ? { status: 200 } : problem(404, 'HsmNotFound')
    if (o.method === 'PUT') this.hsms.add(name)
    return { status: 200, body: { ...(o.body as object), name, activated: false } }
  }

  #vault(o: WireRequest, name: string): Answer {
    const found = this.live.get(name)
    if (o.method === 'PUT') {
      const { movedFrom, ...definition } = structuredClone(o.body) as VaultChange
      if (this.deleted.has(name)) return problem(409, 'ConflictError')
      const known = [definition.resourceId, movedFrom].map((id) => id?.toLowerCase())
      if (found !== undefined && !known.includes(found.resourceId.toLowerCase())) {
        return problem(409, 'VaultAlreadyExists')
      }
      const record = { ...definition, name, createdAt: '2026-01-01T00:00:00.000Z' }
      this.live.set(name, record)
      return { status: found === undefined ? 201 : 200, body: record }
    }
    if (found === undefined) return problem(404, 'VaultNotFound')
    if (o.method === 'GET') return { status: 200, body: found }
    this.live.delete(name)
    const dates = { deletionDate: '2026-01-02T00:00:00.000Z', scheduledPurgeDate: '2026-04-02T00:00:00.000Z' }
    this.deleted.set(name, { ...found, ...dates })
    return { status: 200, body: found }
  }

  #deletedVault(o: WireRequest, name: string, verb: string | undefined): Answer {
    if (name === '') return { status: 200, body: { value: [...this.deleted.values()] } }
    const found = this.deleted.get(name)
    if (found === undefined) return problem(404, 'DeletedVaultNotFound')
    if (o.method === 'GET') return { status: 200, body: found }
    this.deleted.delete(name)
    if (verb !== 'recover') return { status: 204 }
    const { deletionDate: _deleted, scheduledPurgeDate: _purge, ...record } = found
    this.live.set(name, record)
    return { status: 200, body: record }
  }
}
