FROM debian slim
