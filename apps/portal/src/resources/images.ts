import { get, subscriptionPath, versions } from '../wire/arm.ts'

export interface Image {
  /** publisher:offer:sku:latest */
  urn: string
  confidential: boolean
}

interface Entry {
  name: string
}

/** Why a confidential VM cannot boot it; undefined if it can. */
export const refusalOf = ({ confidential }: Image): string | undefined =>
  confidential ? undefined : 'does not qualify for confidential VMs'

/** An image's text in lists. */
export function imageText(image: Image): string {
  const refusal = refusalOf(image)
  return image.urn.replace(/:latest$/, '') + (refusal === undefined ? '' : ` (${refusal})`)
}

/** A region's marketplace images, each with whether a confidential VM can boot it. */
export async function readImages(region: string, signal?: AbortSignal): Promise<Image[]> {
  const market = `${await subscriptionPath()}/providers/Microsoft.Compute/locations/${encodeURIComponent(region)}/publishers`
  const names = async (path: string): Promise<string[]> =>
    (await get<Entry[]>(market + path, versions.compute, signal)).map(({ name }) => name)
  const part = encodeURIComponent
  const images = (await names('')).map(async (publisher) => {
    const offers = `/${part(publisher)}/artifacttypes/vmimage/offers`
    return await Promise.all(
      (await names(offers)).map(async (offer) => {
        const skus = `${offers}/${part(offer)}/skus`
        return await Promise.all(
          (await names(skus)).map(async (sku): Promise<Image> => {
            const found = await names(`${skus}/${part(sku)}/versions?$orderby=name desc&$top=1`)
            const path = `${market}${skus}/${part(sku)}/versions/${part(found[0] ?? '')}`
            const { properties } = await get<{ properties: { features?: { name: string; value: string }[] } }>(
              path,
              versions.compute,
              signal,
            )
            const confidential = (properties.features ?? []).some(({ value }) => value.includes('Confidential'))
            return { urn: `${publisher}:${offer}:${sku}:latest`, confidential }
          }),
        )
      }),
    )
  })
  return (await Promise.all(images)).flat(2).toSorted((a, b) => rank(a) - rank(b) || a.urn.localeCompare(b.urn))
}

/** Strongroom's own first, then others that a confidential VM can boot. */
const rank = ({ urn, confidential }: Image): number => (confidential ? (urn.startsWith('Strongroom:') ? 0 : 1) : 2)
