# Written by `inv lane.render`: change lanes.yml, and write this anew.

resource "aws_iam_role" "lane_acme" {
  name        = "wheels-lane-acme"
  description = "Publishes in the lane acme"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Federated = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
        }
        Action = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "token.actions.githubusercontent.com:aud"              = "sts.amazonaws.com"
            "token.actions.githubusercontent.com:repository_id"    = "812345678"
            "token.actions.githubusercontent.com:repository"       = "acme-ai/torch-acme"
            "token.actions.githubusercontent.com:environment"      = "lane-upload"
            "token.actions.githubusercontent.com:job_workflow_ref" = "example/main/.github/workflows/lane-upload.yml@refs/heads/main"
          }
        }
      },
    ]
  })
  tags = {
    imageyard-lane  = "acme"
    imageyard-lanes = "example-wheels"
  }
}

resource "aws_iam_role_policy" "lane_acme" {
  name = "lanes"
  role = aws_iam_role.lane_acme.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Create"
        Effect = "Allow"
        Action = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = [
          "arn:aws:s3:::example-wheels/files/acme/nightly/*",
          "arn:aws:s3:::example-wheels/files/acme/stable/*",
          "arn:aws:s3:::example-wheels/requests/acme/*",
        ]
      },
      {
        Sid    = "ReadOwn"
        Effect = "Allow"
        Action = ["s3:GetObject"]
        Resource = [
          "arn:aws:s3:::example-wheels/files/acme/*",
          "arn:aws:s3:::example-wheels/requests/acme/*",
          "arn:aws:s3:::example-wheels/state/acme/*",
        ]
      },
      {
        Sid      = "ListOwn"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:aws:s3:::example-wheels"
        Condition = {
          StringLike = {
            "s3:prefix" = ["files/acme/*", "requests/acme/*", "state/acme/*"]
          }
        }
      },
      {
        Sid      = "LogIn"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid    = "Push"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:GetDownloadUrlForLayer",
          "ecr:ListImages",
          "ecr:InitiateLayerUpload",
          "ecr:UploadLayerPart",
          "ecr:CompleteLayerUpload",
          "ecr:PutImage",
        ]
        Resource = [
          "arn:aws:ecr:us-east-1:123456789012:repository/lanes/acme/images",
          "arn:aws:ecr:us-east-1:123456789012:repository/lanes/acme/cache",
        ]
      },
    ]
  })
}

resource "aws_iam_role_policies_exclusive" "lane_acme" {
  role_name    = aws_iam_role.lane_acme.name
  policy_names = [aws_iam_role_policy.lane_acme.name]
}

resource "aws_iam_role_policy_attachments_exclusive" "lane_acme" {
  role_name   = aws_iam_role.lane_acme.name
  policy_arns = []
}

resource "aws_ecr_repository" "lane_acme_images" {
  name                 = "lanes/acme/images"
  image_tag_mutability = "IMMUTABLE_WITH_EXCLUSION"
  tags = {
    imageyard-lane  = "acme"
    imageyard-lanes = "example-wheels"
  }

  image_tag_mutability_exclusion_filter {
    filter      = "sha256-*"
    filter_type = "WILDCARD"
  }

  image_tag_mutability_exclusion_filter {
    filter      = "*-weekly-*"
    filter_type = "WILDCARD"
  }
}

resource "aws_ecr_repository" "lane_acme_cache" {
  name                 = "lanes/acme/cache"
  image_tag_mutability = "MUTABLE"
  tags = {
    imageyard-lane  = "acme"
    imageyard-lanes = "example-wheels"
  }
}
