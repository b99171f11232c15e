import type { ServiceContext } from './service.ts'
import type { Store } from '../store/store-types.ts'
import { openStore } from '../store/engines/store.ts'

/** The store of one service of an installation. @throws as openStore */
export const openServiceStore = (
  context: Pick<ServiceContext, 'storeUrl' | 'sealer' | 'bindRows'>,
  service: string,
): Promise<Store> =>
  openStore({
    url: context.storeUrl,
    service,
    sealer: context.sealer,
    ...(context.bindRows !== undefined && { bindRows: context.bindRows }),
  })
