// Uppy 5 with its own core: a package of its own, since one package can depend on one core only.
export { default as AwsS3 } from '@uppy/aws-s3'
export { default as Uppy } from '@uppy/core'
export { default as GoldenRetriever } from '@uppy/golden-retriever'
